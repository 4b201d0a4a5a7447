-- One row per pair of programs that have learners in common; the table has each pair twice.
select
    program,
    other_program,
    learners_in_both,
    certified_in_both
from program_overlap
where program < other_program and learners_in_both > 0
order by learners_in_both desc, program asc, other_program asc
