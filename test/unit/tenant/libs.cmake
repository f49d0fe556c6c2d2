# store, dispatch and feed are stood in for by stand_ins.c, whose symbols come
# first.
set(libs ml-fusion ml-hubspot ml-http ml-loop ml-map ml-jsonx ml-stat ml-log
  ml-base PkgConfig::JANSSON PkgConfig::CRYPTO)
