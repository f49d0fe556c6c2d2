# The real loop, policy, jsonx and map; store and hubspot are fake.c, whose
# symbols come first, so that nothing of the libraries is linked.
set(libs ml-loop ml-policy ml-map ml-jsonx ml-stat ml-log ml-base
  PkgConfig::JANSSON PkgConfig::CRYPTO)
