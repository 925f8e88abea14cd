"""Pool and gateways under every misfortune, in one process and in virtual time.

loop        virtual time, several processes in it, and a seed that says who is next
nature      time and chance as the product finds them
hub         the nats-server: who listens to what        disk    the streams it keeps
bus         one process's connection                    log     the event log over it
processes   pools and gateways, put together            calls   what clients and backends do
asker       a call asks for a lease, and waits          ledger  what they and gateways noted
operator    who adds sessions and changes limits        faults  what befalls all of them
witness     what was done and said, in order
oracle      the log judged by rules of its own          sessions  what it says of sessions
queue       what it says of those who wait              accounts  what it says of their units
run         a seed becomes a run and a judgement        campaign  many of them
planted     bugs that must be found

`make simulate` runs thousands of seeds (docs/explanation/simulation.md); tests run some hundreds.
"""
