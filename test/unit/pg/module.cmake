target_include_directories(unit-pg PRIVATE ${CMAKE_SOURCE_DIR}/test/support)
