-- duration_words: a duration in seconds, in the unit that fits, as `tidegate servers list` words it.
(seconds) as case
    when seconds < 120 then greatest(0, ceil(seconds))::bigint || ' s'
    when seconds < 7200 then round_even(seconds / 60, 0)::bigint || ' min'
    else round_even(seconds / 3600, 0)::bigint || ' h'
end
