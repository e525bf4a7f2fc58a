# Writes OUT, a C file that holds the files of DIR: what `governance init`
# starts a domain with, so that an installed command needs no path to them.
file(GLOB_RECURSE files RELATIVE ${DIR} ${DIR}/*.yaml ${DIR}/*.md)
list(SORT files)
set(text "/* Made by policies/template.cmake. */\n")
string(APPEND text "#include \"policies/template.h\"\n\n")
set(rows "")
set(number 0)
foreach(file ${files})
	file(READ ${DIR}/${file} hex HEX)
	string(REGEX REPLACE "(................)" "\\1\n" hex "${hex}")
	string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
	string(APPEND text "static const unsigned char file_${number}[] = {\n"
		"${hex}};\n")
	string(APPEND rows "\t{\"${file}\", file_${number}, "
		"sizeof(file_${number})},\n")
	math(EXPR number "${number} + 1")
endforeach()
string(APPEND text "\nconst struct template_file template_files[] = {\n"
	"${rows}};\nconst size_t template_count = ${number};\n")
file(WRITE ${OUT} "${text}")
