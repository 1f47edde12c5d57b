# One target a folder. The headers of a folder stand beside its sources and are seen as <rill/folder/name.h>, in
# the build tree through links, in an installed tree as files.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(RILL_HEADER_TREE ${PROJECT_BINARY_DIR}/include)
file(MAKE_DIRECTORY ${RILL_HEADER_TREE}/rill)
set_property(GLOBAL PROPERTY RILL_TARGETS "")

# The options that every target of Rill is compiled with, and every program that includes its headers: those hold
# SIMD code whose types depend on the instruction set.
add_library(rill_options INTERFACE)
set_target_properties(rill_options PROPERTIES EXPORT_NAME options)
target_compile_features(rill_options INTERFACE cxx_std_20)
if(RILL_NATIVE)
  target_compile_options(rill_options INTERFACE -march=native)
endif()

add_library(rill_warnings INTERFACE)
target_compile_options(rill_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                       $<$<CXX_COMPILER_ID:GNU>:-Wno-psabi>
                       # and takes the undefined lanes of its own intrinsics for uninitialised variables
                       $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized> $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
                       # g++ 12 sees overlaps in std::string that are not there (its bug 105651)
                       $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
if(RILL_WARNINGS_AS_ERRORS)
  target_compile_options(rill_warnings INTERFACE -Werror)
endif()

# rill_library(folder [PUBLIC targets...] [PRIVATE targets...] [HEADER_ONLY targets...] [INTERNAL headers...])
#
# HEADER_ONLY targets are needed to build the folder and not to use it. INTERNAL headers, and those under kernels/, are
# for sources alone and are not installed.
function(rill_library folder)
  cmake_parse_arguments(ARG "" "" "PUBLIC;PRIVATE;HEADER_ONLY;INTERNAL" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cpp)
  file(GLOB_RECURSE headers RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.h)
  list(FILTER headers EXCLUDE REGEX "/kernels/")
  list(TRANSFORM ARG_INTERNAL PREPEND ${folder}/)
  list(REMOVE_ITEM headers ${ARG_INTERNAL})
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${folder} ${RILL_HEADER_TREE}/rill/${folder} SYMBOLIC)
  list(TRANSFORM headers PREPEND ${RILL_HEADER_TREE}/rill/)
  set(name rill_${folder})
  if(sources)
    add_library(${name} ${sources})
    set(public PUBLIC)
    list(TRANSFORM ARG_HEADER_ONLY REPLACE "(.+)" "$<BUILD_INTERFACE:\\1>")
    target_link_libraries(${name} PRIVATE $<BUILD_INTERFACE:rill_warnings> ${ARG_PRIVATE} ${ARG_HEADER_ONLY})
    # No code of Rill reads errno after a mathematical function, and a square root that sets it is not vectorised.
    target_compile_options(${name} PRIVATE -fno-math-errno)
    set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  else()
    add_library(${name} INTERFACE)
    set(public INTERFACE)
  endif()
  target_link_libraries(${name} ${public} rill_options ${ARG_PUBLIC})
  target_sources(${name} ${public} FILE_SET HEADERS BASE_DIRS ${RILL_HEADER_TREE} FILES ${headers})
  set_target_properties(${name} PROPERTIES EXPORT_NAME ${folder})
  add_library(rill::${folder} ALIAS ${name})
  set_property(GLOBAL APPEND PROPERTY RILL_TARGETS ${name})
endfunction()

# rill::rill, everything at once, with <rill/rill.h>.
function(rill_umbrella)
  # A copy: a link would be installed as one.
  configure_file(${PROJECT_SOURCE_DIR}/rill.h ${RILL_HEADER_TREE}/rill/rill.h COPYONLY)
  get_property(targets GLOBAL PROPERTY RILL_TARGETS)
  add_library(rill INTERFACE)
  target_link_libraries(rill INTERFACE ${targets})
  target_sources(rill INTERFACE FILE_SET HEADERS BASE_DIRS ${RILL_HEADER_TREE}
                 FILES ${RILL_HEADER_TREE}/rill/rill.h)
  add_library(rill::rill ALIAS rill)
endfunction()

# Libraries, headers and what find_package(rill) reads.
function(rill_install)
  get_property(targets GLOBAL PROPERTY RILL_TARGETS)
  install(TARGETS rill rill_options ${targets} EXPORT rillTargets FILE_SET HEADERS)
  # For those who use Eigen beside Rill; it does not compile alone where Eigen is not.
  install(FILES ${PROJECT_SOURCE_DIR}/tensor/eigen.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/rill/tensor)
  set(folder ${CMAKE_INSTALL_LIBDIR}/cmake/rill)
  install(EXPORT rillTargets NAMESPACE rill:: DESTINATION ${folder})
  configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/rillConfig.cmake.in
                                ${PROJECT_BINARY_DIR}/rillConfig.cmake INSTALL_DESTINATION ${folder})
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/rillConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/rillConfig.cmake ${PROJECT_BINARY_DIR}/rillConfigVersion.cmake
                ${PROJECT_SOURCE_DIR}/cmake/RillXsimd.cmake ${PROJECT_SOURCE_DIR}/cmake/FindOneDNN.cmake
          DESTINATION ${folder})
endfunction()
