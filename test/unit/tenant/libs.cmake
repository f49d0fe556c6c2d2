set(libs ml-map ml-jsonx ml-stat ml-log ml-base PkgConfig::JANSSON
  PkgConfig::CRYPTO)
