-- whole: a sum as a BIGINT; one that no BIGINT holds is the greatest, or the least, there is.
(total) as case
    when total > 9223372036854775807 then 9223372036854775807
    when total < -9223372036854775807 then -9223372036854775807
    else total::bigint
end
