# What an operator needs for status, owner, partitions, drain, evict, configure and doctor, from any agent, and for leave.
#
#   sed 's/SERVICE/consumer/' consul.d/acl-operator.hcl | consul acl policy create -name watchbill-consumer-operator -rules -

# The partition set, the settings, and the keys of an evicted instance.
key_prefix "watchbill/SERVICE/" {
  policy = "write"
}

# top reads the summaries of figures; evict and purge delete them.
key_prefix "watchbill/.figures/SERVICE/" {
  policy = "write"
}

# status shows the health that instances publish; evict and purge delete it.
key_prefix "watchbill/.health/SERVICE/" {
  policy = "write"
}

# plan reads what a scheduler knows from run to run; purge deletes it.
key_prefix "watchbill/.scheduler/SERVICE/" {
  policy = "write"
}

# events reads what happened; purge deletes it.
key_prefix "watchbill/.events/SERVICE/" {
  policy = "write"
}

# evict --is-off and --acknowledge say what became of a machine.
key_prefix "watchbill/.power/" {
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

# evict destroys the session of a dead instance.
session_prefix "" {
  policy = "write"
}

# configure and doctor ask the agent for its settings.
agent_prefix "" {
  policy = "read"
}

# evict takes a dead node out of the gossip.
operator = "write"

# leave deregisters the services of its partitions; status shows their checks.
service "SERVICE-partition" {
  policy = "write"
}
