# cmake -DPRODUCT=... -DTWIN=... -P crash_points.cmake: the points stand in the
# program of the fault tests, and no trace of them in the product.
foreach(name send commit)
  file(STRINGS ${TWIN} found REGEX "^${name}\\.before$")
  if(NOT found)
    message(FATAL_ERROR "${TWIN} has no crash point ${name}.before")
  endif()
  file(STRINGS ${PRODUCT} found REGEX "^${name}\\.before$|^CRASH_|crash_point")
  if(found)
    message(FATAL_ERROR "${PRODUCT} has crash points: ${found}")
  endif()
endforeach()
