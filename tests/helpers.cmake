# unit_test(FOLDER MODULE [libs...]): tests/unit/FOLDER/test_MODULE.c, a cmocka
# program linked with the folder's library.
function(unit_test folder module)
	set(name test_${folder}_${module})
	add_executable(${name}
		${PROJECT_SOURCE_DIR}/tests/unit/${folder}/test_${module}.c)
	target_link_libraries(${name} PRIVATE cundang_flags ${folder}
		PkgConfig::CMOCKA ${ARGN})
	target_compile_definitions(${name} PRIVATE
		TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data")
	add_test(NAME unit.${folder}.${module} COMMAND ${name})
	set_tests_properties(unit.${folder}.${module} PROPERTIES LABELS unit
		TIMEOUT 600)
endfunction()

# fuzz_target(NAME FOLDER): tests/fuzz/fuzz_NAME.c with LLVMFuzzerTestOneInput.
# In the fuzz preset a libFuzzer program; in every build its corpus
# tests/fuzz/corpus/NAME/ is replayed as a unit test.
function(fuzz_target name folder)
	set(source ${PROJECT_SOURCE_DIR}/tests/fuzz/fuzz_${name}.c)
	if(CUNDANG_FUZZ)
		add_executable(fuzz_${name} ${source})
		target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
		target_link_libraries(fuzz_${name} PRIVATE cundang_flags
			${folder} ${ARGN})
	else()
		add_executable(fuzz_${name} ${source}
			${PROJECT_SOURCE_DIR}/tests/fuzz/replay.c)
		target_link_libraries(fuzz_${name} PRIVATE cundang_flags
			${folder} ${ARGN})
		add_test(NAME fuzz.${name} COMMAND fuzz_${name}
			${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name})
		set_tests_properties(fuzz.${name} PROPERTIES
			LABELS "unit;fuzz" TIMEOUT 600)
	endif()
endfunction()
