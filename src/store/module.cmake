# Embeds sql/*.sql and migrations/*.sql: the program knows its own schema.
set(store_out ${CMAKE_BINARY_DIR}/generated/store)
file(GLOB store_texts CONFIGURE_DEPENDS
  ${CMAKE_SOURCE_DIR}/src/store/sql/*.sql
  ${CMAKE_SOURCE_DIR}/src/store/migrations/*.sql)
add_custom_command(
  OUTPUT ${store_out}/store_sql.c ${store_out}/store_sql.h
  COMMAND ${CMAKE_COMMAND} -E make_directory ${store_out}
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR}/src/store
    -DOUT=${store_out} -P ${CMAKE_SOURCE_DIR}/src/store/embed.cmake
  COMMAND ${CMAKE_COMMAND} -E touch ${store_out}/store_sql.c
    ${store_out}/store_sql.h
  DEPENDS ${store_texts} ${CMAKE_SOURCE_DIR}/src/store/embed.cmake
  COMMENT "Embedding SQL")
target_sources(ml-store PRIVATE ${store_out}/store_sql.c
  ${store_out}/store_sql.h)
target_include_directories(ml-store PUBLIC ${store_out})
