-- Question: who is in several programs, and how far in each?
-- Answer: one row per learner of more than one program, with a list of program and certificates.
-- It reads the published files of several programs: attach each under its own name first, as in
--     attach 'database/buslead.duckdb' as buslead (read_only)
-- and name them: dbt compile --select cross_program_learners --vars '{programs: [buslead, corpinn]}'
{%- set programs = var('programs', [var('program')]) %}

with

progress as (
    {%- for program in programs %}
        {{ 'union all' if not loop.first }}
        select
            program,
            student_id,
            no_certificate_eligible
        from {{ program }}.main.learner_progress
    {%- endfor %}
)

select
    student_id,
    count(*) as programs,
    sum(no_certificate_eligible) as certificates,
    string_agg(program || ': ' || no_certificate_eligible, ', ' order by program) as by_program
from progress
group by student_id
having count(*) > 1
order by certificates desc, student_id asc
