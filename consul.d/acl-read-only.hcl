# What somebody needs who only looks: status, owner, partitions list, doctor.
#
#   sed 's/SERVICE/consumer/' consul.d/acl-read-only.hcl | consul acl policy create -name watchbill-consumer-read -rules -

key_prefix "watchbill/SERVICE/" {
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

# status tells how the checks of partitions are.
service "SERVICE-partition" {
  policy = "read"
}
