# What an operator needs for status, owner, partitions, drain, evict, configure and doctor, from any agent, and for leave.
#
#   sed 's/SERVICE/consumer/' consul.d/acl-operator.hcl | consul acl policy create -name watchbill-consumer-operator -rules -

# The set, the settings, and what an evicted instance leaves behind.
key_prefix "watchbill/SERVICE/" {
  policy = "write"
}

# evict and leave take an instance out of the catalog.
service "SERVICE" {
  policy = "write"
}

# Without it Consul leaves instances out of its answers; evict takes a dead node out of the catalog.
node_prefix "" {
  policy = "write"
}

# evict ends the session of the dead.
session_prefix "" {
  policy = "write"
}

# configure and doctor ask the agent for its settings.
agent_prefix "" {
  policy = "read"
}

# evict takes a dead node out of the gossip.
operator = "write"

# leave takes the services of its partitions out; status tells how their checks are.
service "SERVICE-partition" {
  policy = "write"
}
