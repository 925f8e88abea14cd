-- keys: client and admin keys; neither the keys nor their hashes are here.
select * from ledger.keys
