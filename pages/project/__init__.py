"""The sections of the Project page: a section is a module and a row of :data:`SECTIONS`."""
