set(libs ml-conf ml-jsonx ml-base PkgConfig::JANSSON)
set(defines ML_BINARY="$<TARGET_FILE:ml-connector>")
