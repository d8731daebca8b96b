# What `cmake --install` puts where, and the target `uninstall` that takes it all away again.

include(CMakePackageConfigHelpers)
set(generated ${CMAKE_BINARY_DIR}/generated)

# libblind: archive, shared object, headers, pkg-config, find_package(blind)
install(TARGETS blind_static blind_shared EXPORT blind
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/blind DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(EXPORT blind NAMESPACE blind:: FILE blind-targets.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/blind)
configure_package_config_file(cmake/blind-config.cmake.in ${generated}/blind-config.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/blind)
write_basic_package_version_file(${generated}/blind-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${generated}/blind-config.cmake ${generated}/blind-config-version.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/blind)
configure_file(cmake/blind.pc.in ${generated}/blind.pc @ONLY)
install(FILES ${generated}/blind.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# The program, and what its own table of subcommands writes: man pages and completions.
if(BLIND_SERVER)
  install(TARGETS blind_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  set(shells bash zsh fish)
  set(stamp ${generated}/stamp)
  add_custom_command(OUTPUT ${stamp}
    COMMAND ${CMAKE_COMMAND} -DBLIND=$<TARGET_FILE:blind_program> -DOUT=${generated}
      -P ${CMAKE_SOURCE_DIR}/cmake/Generate.cmake
    COMMAND ${CMAKE_COMMAND} -E touch ${stamp}
    DEPENDS blind_program ${CMAKE_SOURCE_DIR}/cmake/Generate.cmake
    COMMENT "Writing man pages and completions" VERBATIM)
  add_custom_target(blind_generated ALL DEPENDS ${stamp})
  install(DIRECTORY ${generated}/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${generated}/completion/blind.bash RENAME blind
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${generated}/completion/blind.zsh RENAME _blind
    DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
  install(FILES ${generated}/completion/blind.fish
    DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
  configure_file(deploy/systemd/blind.service.in ${generated}/blind.service @ONLY)
  install(FILES ${generated}/blind.service DESTINATION lib/systemd/system)
endif()
install(FILES LICENSE README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)
install(DIRECTORY examples/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples USE_SOURCE_PERMISSIONS
  PATTERN "__pycache__" EXCLUDE)

add_custom_target(uninstall
  COMMAND ${CMAKE_COMMAND} -DMANIFEST=${CMAKE_BINARY_DIR}/install_manifest.txt
    -P ${CMAKE_SOURCE_DIR}/cmake/Uninstall.cmake VERBATIM)
