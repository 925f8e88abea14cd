"""NATS: the server, its streams, a connection to it.

natsserver  the embedded server: configuration, process, port
streams     the streams and buckets there must be
bus         a connection as its users know it
connection  how one connects, asks, and is answered
broker      the doors that FastStream opens on a connection
snapshots   a stream taken out of JetStream and put back
"""
