find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
set(libs ml-stat ml-log ml-base PkgConfig::UV PkgConfig::CRYPTO Threads::Threads
  ZLIB::ZLIB)
set(sources ${CMAKE_SOURCE_DIR}/test/support/peer.c)
