-- return_words: how far a server is back from an ejection, as `tidegate servers list` words it.
(state, reason, since, until, moment) as case state
    when 'ejected' then 'ejected'
        || coalesce(' ' || duration_words(epoch(moment - since)) || ' ago', '') || ': ' || reason
        || if(until > moment, ', back in ' || duration_words(epoch(until - moment)),
            ', back once it answers a probe')
    when 'half_open' then 'half open, one call at a time' || if(reason = '', '', ' after: ' || reason)
    when 'slow_start' then 'starts slowly: '
        || round_even(100 * epoch(moment - since) / epoch(until - since), 0)::bigint || '%'
    else ''
end
