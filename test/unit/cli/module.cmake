# The tests run the program itself.
add_dependencies(unit-cli ml-connector)
