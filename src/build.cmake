# How this tree is compiled: the flags of every target, and ml_module().
include(CheckCCompilerFlag)

add_library(ml-flags INTERFACE)
target_compile_definitions(ml-flags INTERFACE
  _POSIX_C_SOURCE=200809L ML_VERSION="${PROJECT_VERSION}")
target_include_directories(ml-flags INTERFACE ${CMAKE_SOURCE_DIR}/include)

set(warnings
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wcast-qual
  -Wcast-align -Wpointer-arith -Wwrite-strings -Wstrict-prototypes
  -Wmissing-prototypes -Wmissing-declarations -Wold-style-definition -Wundef
  -Wvla -Wformat=2 -Wnull-dereference -Wdouble-promotion -Wfloat-equal
  -Wredundant-decls -Wswitch-enum -Wimplicit-fallthrough -Wunused-macros)
if(CMAKE_C_COMPILER_ID STREQUAL GNU)
  list(APPEND warnings
    -Wduplicated-cond -Wduplicated-branches -Wlogical-op -Wjump-misses-init
    -Wformat-overflow=2 -Wformat-truncation=2 -Wstringop-overflow=4 -Walloca
    -Warith-conversion -Wtrampolines)
else()
  list(APPEND warnings
    -Wcomma -Wassign-enum -Wconditional-uninitialized
    -Wimplicit-int-conversion -Wunreachable-code-aggressive)
endif()
target_compile_options(ml-flags INTERFACE ${warnings})
if(ML_WERROR)
  target_compile_options(ml-flags INTERFACE -Werror)
endif()

target_compile_options(ml-flags INTERFACE -g -fno-common -fno-strict-overflow)
if(ML_SANITIZE)
  target_compile_options(ml-flags INTERFACE
    -O1 -fno-omit-frame-pointer -fsanitize=${ML_SANITIZE}
    -fno-sanitize-recover=all)
  target_link_options(ml-flags INTERFACE -fsanitize=${ML_SANITIZE})
elseif(CMAKE_BUILD_TYPE STREQUAL Release)
  # Assertions stay on in release: ML_ASSERT does not look at NDEBUG.
  target_compile_options(ml-flags INTERFACE
    -O2 -fstack-protector-strong -fstack-clash-protection
    -fcf-protection=full -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fPIE)
  target_link_options(ml-flags INTERFACE
    -pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed)
  check_c_compiler_flag(-ftrivial-auto-var-init=zero ML_HAS_AUTO_VAR_INIT)
  if(ML_HAS_AUTO_VAR_INIT)
    target_compile_options(ml-flags INTERFACE -ftrivial-auto-var-init=zero)
  endif()
endif()
if(ML_COVERAGE)
  target_compile_options(ml-flags INTERFACE --coverage)
  target_link_options(ml-flags INTERFACE --coverage)
endif()

# ml_module(NAME USES modules below it... LIBS outside libraries...)
# compiles src/NAME/*.c into the static library ml-NAME. A src/NAME/module.cmake
# may add generated sources to the target.
function(ml_module name)
  cmake_parse_arguments(arg "" "" "USES;LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.c)
  add_library(ml-${name} STATIC ${sources})
  list(TRANSFORM arg_USES PREPEND ml-)
  target_link_libraries(ml-${name} PUBLIC ${arg_USES} ${arg_LIBS}
    PRIVATE ml-flags)
  target_include_directories(ml-${name} PUBLIC ${CMAKE_SOURCE_DIR}/include)
  if(EXISTS ${CMAKE_SOURCE_DIR}/src/${name}/module.cmake)
    include(${CMAKE_SOURCE_DIR}/src/${name}/module.cmake)
  endif()
endfunction()

# ml_crash_program(NAME MODULES...) links src/main.c once more, with crash points
# (ml/base.h) in these modules. Their objects are named on the link line, so the
# libraries' own are never asked for.
function(ml_crash_program name)
  add_executable(${name} src/main.c)
  foreach(module ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${module}/*.c)
    target_sources(${name} PRIVATE ${sources})
  endforeach()
  target_compile_definitions(${name} PRIVATE ML_CRASH_POINTS)
  target_link_libraries(${name} PRIVATE ml-cli ml-flags)
endfunction()
