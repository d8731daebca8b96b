# How a folder of C becomes part of the build: warnings, hardening, layers, tests.

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON) # the attributes and statement expressions that GCC and Clang share
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

add_library(blind_options INTERFACE)
target_compile_options(blind_options INTERFACE
  -Wall -Wextra -Wconversion -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef
  -Wpointer-arith -Wwrite-strings -fno-strict-aliasing -fno-common
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
target_compile_definitions(blind_options INTERFACE _GNU_SOURCE)
target_include_directories(blind_options INTERFACE
  $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src>)
if(BLIND_SANITIZE)
  target_compile_options(blind_options INTERFACE -fsanitize=${BLIND_SANITIZE} -fno-omit-frame-pointer -g)
  target_link_options(blind_options INTERFACE -fsanitize=${BLIND_SANITIZE})
  if(BLIND_SANITIZE MATCHES undefined)
    target_compile_options(blind_options INTERFACE -fno-sanitize-recover=undefined)
  endif()
elseif(CMAKE_BUILD_TYPE STREQUAL Release)
  target_compile_options(blind_options INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
    -fstack-protector-strong -fstack-clash-protection -fcf-protection)
  target_link_options(blind_options INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed)
endif()
if(BLIND_COVERAGE)
  target_compile_options(blind_options INTERFACE --coverage -O1 -g) # intrinsics are macros at -O0
  target_link_options(blind_options INTERFACE --coverage)
endif()
if(BLIND_FUZZ)
  target_compile_options(blind_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Adds src/NAME, if it is there.  Its CMakeLists.txt calls blind_folder().
function(blind_add_folder name)
  if(EXISTS ${CMAKE_SOURCE_DIR}/src/${name}/CMakeLists.txt)
    add_subdirectory(src/${name})
  endif()
endfunction()

# blind_folder(NAME SOURCES a.c b.c USES base crypto LINKS PkgConfig::X)
# makes the object library bl_NAME.  USES are the folders whose headers it may include: the test
# `layers` holds every #include against it.
function(blind_folder name)
  cmake_parse_arguments(A "" "" "SOURCES;USES;LINKS" ${ARGN})
  add_library(bl_${name} OBJECT ${A_SOURCES})
  set(links ${A_LINKS})
  foreach(use ${A_USES})
    get_property(more GLOBAL PROPERTY BLIND_LINKS_${use})
    list(APPEND links ${more})
  endforeach()
  list(REMOVE_DUPLICATES links)
  target_link_libraries(bl_${name} PUBLIC blind_options ${links})
  set_property(GLOBAL PROPERTY BLIND_LINKS_${name} "${links}")
  list(JOIN A_USES " " uses)
  set_property(GLOBAL APPEND PROPERTY BLIND_LAYERS "${name}: ${uses}")
endfunction()

# libblind, static and shared, from the folders up to client/.  Tests, engines and the program link
# the static one; a relying party links either.
function(blind_libraries)
  set(objects)
  set(links)
  foreach(folder ${BLIND_FOLDERS})
    if(TARGET bl_${folder})
      list(APPEND objects $<TARGET_OBJECTS:bl_${folder}>)
    endif()
  endforeach()
  add_library(blind_static STATIC ${objects})
  target_link_libraries(blind_static PUBLIC PkgConfig::OPENSSL PkgConfig::JANSSON Threads::Threads)
  target_link_libraries(blind_static PUBLIC $<BUILD_INTERFACE:blind_options>)
  target_include_directories(blind_static PUBLIC $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  add_library(blind_shared SHARED ${objects})
  target_link_libraries(blind_shared PRIVATE PkgConfig::OPENSSL PkgConfig::JANSSON Threads::Threads
    $<BUILD_INTERFACE:blind_options>)
  target_include_directories(blind_shared PUBLIC $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  set_target_properties(blind_static PROPERTIES OUTPUT_NAME blind EXPORT_NAME blind-static)
  set_target_properties(blind_shared PROPERTIES OUTPUT_NAME blind EXPORT_NAME blind
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
endfunction()

# blind_test(NAME SOURCES test_x.c LINKS bl...): one cmocka program and one ctest entry.
function(blind_test name)
  cmake_parse_arguments(A "" "TIMEOUT" "SOURCES;LINKS;LABELS" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  target_link_libraries(${name} PRIVATE ${A_LINKS} blind_static PkgConfig::CMOCKA blind_options)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  if(NOT A_TIMEOUT)
    set(A_TIMEOUT 120)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${A_TIMEOUT} SKIP_RETURN_CODE 77
    ENVIRONMENT "BLIND_VECTORS=${BLIND_VECTORS};BLIND_BUILD_DIR=${CMAKE_BINARY_DIR};ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1")
  if(A_LABELS)
    set_tests_properties(${name} PROPERTIES LABELS "${A_LABELS}")
  endif()
endfunction()

# blind_alloc_test(NAME ...) is blind_test() for programs that make each allocation fail once: see
# tests/alloc.h.
function(blind_alloc_test name)
  blind_test(${name} ${ARGN})
  target_sources(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests/alloc.c)
  foreach(function malloc calloc realloc aligned_alloc strdup strndup newlocale)
    target_link_options(${name} PRIVATE LINKER:--wrap=${function})
  endforeach()
endfunction()

# Adds every tests/FOLDER that has a CMakeLists.txt.
function(blind_add_folder_tests)
  pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
  file(GLOB folders CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/*/CMakeLists.txt)
  foreach(list ${folders})
    get_filename_component(folder ${list} DIRECTORY)
    get_filename_component(name ${folder} NAME)
    add_subdirectory(${folder} ${CMAKE_BINARY_DIR}/tests/${name})
  endforeach()
  get_property(layers GLOBAL PROPERTY BLIND_LAYERS)
  list(JOIN layers "\n" text)
  file(WRITE ${CMAKE_BINARY_DIR}/layers.txt "${text}\n")
endfunction()
