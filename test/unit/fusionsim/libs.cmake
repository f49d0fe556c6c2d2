# The Fusion simulator of the sandbox, without its server.
set(libs ml-base PkgConfig::JANSSON PkgConfig::CRYPTO)
file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/test/sandbox/data*.c
  ${CMAKE_SOURCE_DIR}/test/sandbox/fusion*.c)
target_include_directories(unit-${module} PRIVATE ${CMAKE_SOURCE_DIR}/test/sandbox)
