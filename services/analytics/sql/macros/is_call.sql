-- is_call: whether a lease was asked for by somebody's call; the doctor's trials are nobody's.
(path) as path is distinct from '/api/doctor/try'
