# Asks the program BLIND for its man pages and completions and writes them under OUT.

function(ask file)
  execute_process(COMMAND ${BLIND} generate ${ARGN} OUTPUT_VARIABLE text RESULT_VARIABLE status)
  if(status)
    message(FATAL_ERROR "blind generate ${ARGN}: exit status ${status}")
  endif()
  file(WRITE ${OUT}/${file} "${text}")
endfunction()

file(REMOVE_RECURSE ${OUT}/man ${OUT}/completion)
execute_process(COMMAND ${BLIND} generate pages OUTPUT_VARIABLE pages COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[a-z-]+" pages "${pages}")
foreach(page ${pages})
  ask(man/${page}.1 man ${page})
endforeach()
foreach(shell bash zsh fish)
  ask(completion/blind.${shell} ${shell})
endforeach()
