set(libs ml-policy ml-fusion ml-store ml-map ml-jsonx ml-loop ml-stat ml-log
  ml-base)
