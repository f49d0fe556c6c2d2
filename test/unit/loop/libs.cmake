set(libs ml-stat ml-log ml-base PkgConfig::UV)
