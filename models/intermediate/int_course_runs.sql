-- One row per run of the program's courses that a grade report tells of; run_order 1 is a course's oldest.
{{ config(materialized='table') }}

-- nothing is built on files that cannot be read
-- depends_on: {{ ref('int_report_problems') }}

with

report_files as (
    select * from {{ ref('int_report_files_judged') }}
),

run_codes as (
    select * from {{ ref('int_run_codes') }}
),

courses as (
    select * from {{ ref('this_program_courses') }}
),

run_pass_grades as (
    select
        lower(course_instance) as run_key,
        {{ decimal_number('pass_grade') }} as pass_grade
    from {{ ref('course_run_pass_grades') }}
),

-- what a person says of a run's time goes before what its code says
said_times as (
    select distinct
        lower(course_instance) as run_key,
        {{ whole_number('year') }} as year,
        term
    from {{ ref('course_runs') }}
    where year is not null
),

runs as (
    select
        report_files.file_id,
        report_files.course,
        report_files.course_instance,
        report_files.run_code,
        report_files.reported_at,
        coalesce(said_times.year, run_codes.year)::integer as year,
        if(said_times.year is null, run_codes.term, said_times.term) as term,
        if(
            said_times.year is null, run_codes.term_rank, {{ term_rank('lower(said_times.term)') }}
        ) as term_rank,
        run_codes.suffix_rank,
        coalesce(run_pass_grades.pass_grade, courses.pass_grade) as pass_grade
    from report_files
    inner join courses on report_files.course = courses.course
    left join run_pass_grades on report_files.run_key = run_pass_grades.run_key
    left join run_codes on report_files.run_code = run_codes.run_code
    left join said_times on report_files.run_key = said_times.run_key
    where
        report_files.status = 'used'
        and report_files.report_kind = 'grade_report'
),

final as (
    select
        file_id,
        course,
        course_instance,
        run_code,
        year,
        term,
        reported_at,
        pass_grade,
        case
            when year is null then 'no year'
            when term_rank is null then 'no known term'
            when count(*) over (partition by course, year, term_rank, coalesce(suffix_rank, 0)) > 1
                then 'same time'
        end as doubt,
        row_number() over (
            partition by course
            -- what has no year stands before all that have one: those numbered by number, others by download
            order by
                year asc nulls first,
                coalesce(term_rank, 0) asc,
                coalesce(suffix_rank, 0) asc,
                reported_at asc,
                course_instance asc
        ) as run_order
    from runs
)

select * from final
