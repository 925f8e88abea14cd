-- v_daily_usage_trend: the original's view: units per quota day, latest first.
select date, images as daily_images, videos as daily_videos, avatars as daily_avatars,
    active_sessions
from daily_usage
order by date desc
