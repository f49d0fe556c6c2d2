find_package(Threads REQUIRED)
set(libs ml-http ml-loop ml-jsonx ml-stat ml-log ml-base PkgConfig::UV
  PkgConfig::CRYPTO Threads::Threads)
set(sources ${CMAKE_SOURCE_DIR}/test/support/peer.c)
