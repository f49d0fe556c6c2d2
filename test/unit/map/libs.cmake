set(libs ml-jsonx PkgConfig::JANSSON)
set(defines MAP_TEST_DIR="${CMAKE_CURRENT_SOURCE_DIR}/map")
