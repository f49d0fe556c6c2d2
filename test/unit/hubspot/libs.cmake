find_package(Threads REQUIRED)
set(libs ml-http ml-loop ml-map ml-jsonx ml-stat ml-log ml-base
  PkgConfig::CRYPTO Threads::Threads)
set(sources ${CMAKE_SOURCE_DIR}/test/support/peer.c)
include_directories(${CMAKE_SOURCE_DIR}/test/support)
