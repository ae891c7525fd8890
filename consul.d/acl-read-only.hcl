# For people who only look: status, owner, partitions list, doctor.
#
#   sed 's/SERVICE/consumer/' consul.d/acl-read-only.hcl | consul acl policy create -name watchbill-consumer-read -rules -

key_prefix "watchbill/SERVICE/" {
  policy = "read"
}

# top shows what other machines say of their figures.
key_prefix "watchbill/.figures/SERVICE/" {
  policy = "read"
}

# status shows the health that instances publish.
key_prefix "watchbill/.health/SERVICE/" {
  policy = "read"
}

# plan --show reads the last run of a scheduler.
key_prefix "watchbill/.scheduler/SERVICE/" {
  policy = "read"
}

# events shows what happened.
key_prefix "watchbill/.events/SERVICE/" {
  policy = "read"
}

# status names machines that were declared off and were not.
key_prefix "watchbill/.power/" {
  policy = "read"
}

service "SERVICE" {
  policy = "read"
}

# Without it Consul leaves instances out of its answers.
node_prefix "" {
  policy = "read"
}

# doctor asks the agent for its settings.
agent_prefix "" {
  policy = "read"
}

# status shows the checks of partitions.
service "SERVICE-partition" {
  policy = "read"
}
