# The code of conf over a table of our own (fake/ml/conf.def comes first).
set(libs ml-base)
file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/conf/*.c)
