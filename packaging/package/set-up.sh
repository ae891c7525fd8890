# Puts the release of this package in force, beside the ones that were there. Nothing that runs is restarted.
set_up() {
  /usr/lib/watchbill/release/watchbill configure --release-only
}
