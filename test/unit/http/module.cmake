target_include_directories(unit-http PRIVATE ${CMAKE_SOURCE_DIR}/test/support)
