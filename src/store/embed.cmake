# Makes store_sql.h and store_sql.c: every statement of sql/ and every script
# of migrations/ as a C array, with what its first line says.
#
#   cmake -DSOURCE=<src/store> -DOUT=<folder> -P embed.cmake
#
# First line of a statement:  "-- one: tenant, feed"  shape and parameters.
# First line of a migration:  "-- compatible_from: 1".
file(GLOB statements ${SOURCE}/sql/*.sql)
file(GLOB migrations ${SOURCE}/migrations/*.sql)
list(SORT statements)
list(SORT migrations)

function(bytes file name out)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," body "${hex}")
  string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)"
    "\\1\n    " body "${body}")
  set(${out} "static const char ${name}[] = {\n    ${body}0x00};\n" PARENT_SCOPE)
endfunction()

set(head "/* SPDX-License-Identifier: UNLICENSED */\n/* Made from src/store by embed.cmake. */\n")
set(enum "")
set(arrays "")
set(table "")
foreach(file ${statements})
  get_filename_component(name ${file} NAME_WE)
  file(STRINGS ${file} first LIMIT_COUNT 1)
  if(NOT first MATCHES "^-- (none|one|maybe|many):(.*)$")
    message(FATAL_ERROR "${file}: the first line must be '-- shape: parameters'")
  endif()
  string(TOUPPER ${CMAKE_MATCH_1} shape)
  string(STRIP "${CMAKE_MATCH_2}" params)
  string(REPLACE "," ";" params "${params}")
  list(LENGTH params count)
  string(TOUPPER ${name} upper)
  bytes(${file} sql_${name} array)
  string(APPEND arrays "${array}")
  string(APPEND enum "    SQL_${upper},\n")
  string(APPEND table "    {\"${name}\", sql_${name}, PG_${shape}, ${count}},\n")
endforeach()
set(scripts "")
set(version 0)
foreach(file ${migrations})
  get_filename_component(name ${file} NAME_WE)
  file(STRINGS ${file} first LIMIT_COUNT 1)
  if(NOT first MATCHES "^-- compatible_from: ([0-9]+)$")
    message(FATAL_ERROR "${file}: the first line must be '-- compatible_from: N'")
  endif()
  set(from ${CMAKE_MATCH_1})
  math(EXPR version "${version} + 1")
  if(NOT name MATCHES "^0*${version}_")
    message(FATAL_ERROR "${file}: expected number ${version}")
  endif()
  bytes(${file} migration_${version} array)
  string(APPEND arrays "${array}")
  string(APPEND scripts
    "    {${version}, ${from}, \"${name}\", migration_${version}},\n")
endforeach()

file(WRITE ${OUT}/store_sql.h.new "${head}#ifndef STORE_SQL_H
#define STORE_SQL_H
#include \"ml/pg.h\"

enum store_sql_id {\n${enum}    SQL_COUNT\n};
struct store_sql {
    const char *name;
    const char *sql;
    enum pg_shape shape;
    unsigned params;
};
extern const struct store_sql store_sql[SQL_COUNT];
struct store_script {
    int version, compatible_from;
    const char *name;
    const char *sql;
};
enum { STORE_SCHEMA_VERSION = ${version} };
extern const struct store_script store_scripts[STORE_SCHEMA_VERSION];
#endif\n")
file(WRITE ${OUT}/store_sql.c.new "${head}#include \"store_sql.h\"

${arrays}
const struct store_sql store_sql[SQL_COUNT] = {\n${table}};
const struct store_script store_scripts[STORE_SCHEMA_VERSION] = {\n${scripts}};\n")
foreach(file store_sql.h store_sql.c)
  configure_file(${OUT}/${file}.new ${OUT}/${file} COPYONLY)
  file(REMOVE ${OUT}/${file}.new)
endforeach()
