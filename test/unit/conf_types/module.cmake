target_include_directories(unit-${module} BEFORE PRIVATE ${folder}/fake)
target_include_directories(unit-${module} PRIVATE ${CMAKE_SOURCE_DIR}/src/conf)
