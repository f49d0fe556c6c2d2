# store and tenant are stood in for by test_ops.c, whose symbols come first.
set(libs ml-loop ml-stat ml-log ml-base PkgConfig::MHD PkgConfig::UV
  PkgConfig::CRYPTO)
