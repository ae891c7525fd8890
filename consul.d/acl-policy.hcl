# For the token of the machines that run a service: watchbill's programs use it, and the agent that runs them. SERVICE stands
# for the service's name:
#
#   sed 's/SERVICE/consumer/' consul.d/acl-policy.hcl | consul acl policy create -name watchbill-consumer -rules -
#   consul acl token create -policy-name watchbill-consumer
#
# acl-operator.hcl is for people who change things, acl-read-only.hcl for people who only look. These files are policies, not
# configuration: the agent must not read them.

# Locks, members, the partition set, wake-ups, reports.
key_prefix "watchbill/SERVICE/" {
  policy = "write"
}

# The summary of its figures, which other machines read. Without it only they miss something.
key_prefix "watchbill/.figures/SERVICE/" {
  policy = "write"
}

# When its processes were started and are ready: for other machines' status, and for roll-outs.
key_prefix "watchbill/.health/SERVICE/" {
  policy = "write"
}

# What a scheduler of your own knows from run to run. Only a service whose definition has "assign" needs it.
key_prefix "watchbill/.scheduler/SERVICE/" {
  policy = "write"
}

# What happened to it and its partitions, for `events` on any machine.
key_prefix "watchbill/.events/SERVICE/" {
  policy = "write"
}

# What became of machines that were powered off: it says when its own was declared off and was not. Where machines are powered
# off by power-off.json, those that do it need this for each service, too.
key_prefix "watchbill/.power/" {
  policy = "write"
}

# The agent registers the instance and its guard check; `leave` deregisters it.
service "SERVICE" {
  policy = "write"
}

# Without it Consul leaves the instances of other machines out of its answers.
node_prefix "" {
  policy = "read"
}

# To create its own session, and to find older sessions of the same instance. With one token for each machine this can be
# session_prefix "" { policy = "read" } and session "that machine's node name" { policy = "write" }.
session_prefix "" {
  policy = "write"
}

# configure asks the agent for its node name and its settings.
agent_prefix "" {
  policy = "read"
}

# Where the definition has checks or a port, each partition that runs is a service of this name.
service "SERVICE-partition" {
  policy = "write"
}
