find_package(Threads REQUIRED)
set(libs ml-stat ml-log ml-base PkgConfig::UV Threads::Threads)
set(sources ${CMAKE_SOURCE_DIR}/test/support/pg_temp.c)
set(defines SUPPORT="${CMAKE_SOURCE_DIR}/test/support")
