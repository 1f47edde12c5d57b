# Finds xsimd. Debian 12's asks its users to link a library xtl, which does not exist: xtl is headers that xsimd needs
# for complex numbers alone.
find_package(xsimd REQUIRED)
get_target_property(rill_xsimd_links xsimd INTERFACE_LINK_LIBRARIES)
if("xtl" IN_LIST rill_xsimd_links AND NOT TARGET xtl)
  list(REMOVE_ITEM rill_xsimd_links xtl)
  set_target_properties(xsimd PROPERTIES INTERFACE_LINK_LIBRARIES "${rill_xsimd_links}")
endif()
unset(rill_xsimd_links)
