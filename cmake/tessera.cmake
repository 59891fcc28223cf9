# Shared build rules: warnings, sanitizers, one library per folder, one test per file.

add_library(tessera_flags INTERFACE)
target_compile_definitions(tessera_flags INTERFACE _GNU_SOURCE)
target_include_directories(tessera_flags INTERFACE "${CMAKE_CURRENT_SOURCE_DIR}")
target_compile_options(tessera_flags INTERFACE
    -Wall -Wextra -Werror -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
    -Wvla -Wundef -Wcast-qual -Wswitch-enum -Wwrite-strings -Wformat=2
    -ffp-contract=off -fno-math-errno)
target_link_libraries(tessera_flags INTERFACE m)
# A program loads only the shared libraries it calls: every one of them takes memory.
target_link_options(tessera_flags INTERFACE LINKER:--as-needed)
if(TESSERA_SANITIZE)
    target_compile_options(tessera_flags INTERFACE
        -fsanitize=${TESSERA_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(tessera_flags INTERFACE -fsanitize=${TESSERA_SANITIZE})
    if(TESSERA_SANITIZE MATCHES "undefined")
        target_compile_options(tessera_flags INTERFACE -fno-sanitize-recover=all)
    endif()
endif()
if(TESSERA_FUZZ)
    target_compile_options(tessera_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# tessera_library(FOLDER LINK folders... PRIVATE_LINK system libraries... EXCLUDE files...)
# Builds every FOLDER/*.c but the excluded ones into the static library tess_FOLDER.
function(tessera_library folder)
    cmake_parse_arguments(ARG "" "" "LINK;PRIVATE_LINK;EXCLUDE" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.c")
    foreach(excluded IN LISTS ARG_EXCLUDE)
        list(REMOVE_ITEM sources "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/${excluded}")
    endforeach()
    if(sources)
        add_library(tess_${folder} STATIC ${sources})
        set(scope PUBLIC)
        target_link_libraries(tess_${folder} PRIVATE ${ARG_PRIVATE_LINK})
    else()
        add_library(tess_${folder} INTERFACE)
        set(scope INTERFACE)
    endif()
    target_link_libraries(tess_${folder} ${scope} tessera_flags)
    foreach(below IN LISTS ARG_LINK)
        target_link_libraries(tess_${folder} ${scope} tess_${below})
    endforeach()
endfunction()

# The thread sanitizer slows loops down by an order of magnitude.
if(TESSERA_SANITIZE MATCHES "thread")
    set(TESSERA_SHORT_TIMEOUT 1800)
else()
    set(TESSERA_SHORT_TIMEOUT 600)
endif()

# tessera_tests(FOLDER libraries...): one CTest per tests/FOLDER/test_*.c, label "short";
# files named test_*_long.c get the label "long".
function(tessera_tests folder)
    file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/test_*.c")
    foreach(source IN LISTS sources)
        get_filename_component(name "${source}" NAME_WE)
        add_executable(${name} "${source}")
        target_link_libraries(${name} PRIVATE ${ARGN} tess_test_support cmocka)
        add_test(NAME ${name} COMMAND ${name}
            WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
        if(name MATCHES "_long$")
            set_tests_properties(${name} PROPERTIES LABELS long TIMEOUT 3000)
        else()
            set_tests_properties(${name} PROPERTIES LABELS short TIMEOUT ${TESSERA_SHORT_TIMEOUT})
        endif()
    endforeach()
endfunction()
