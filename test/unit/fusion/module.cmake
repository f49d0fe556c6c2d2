target_include_directories(unit-fusion PRIVATE ${CMAKE_SOURCE_DIR}/test/support)
