-- One row per run of the program's courses that a grade report tells of; run_order 1 is a course's oldest.
with

report_files as (
    select * from {{ ref('int_report_files_judged') }}
),

-- nothing is built on files that cannot be read
report_problems as (
    select * from {{ ref('int_report_problems') }}
),

run_codes as (
    select * from {{ ref('int_run_codes') }}
),

runs as (
    select
        report_files.file_id,
        report_files.course,
        report_files.course_instance,
        report_files.reported_at,
        run_codes.run_code is not null as is_read,
        run_codes.year,
        run_codes.term,
        run_codes.term_rank,
        run_codes.suffix_rank,
    from report_files
    left join run_codes on report_files.run_code = run_codes.run_code
    where
        report_files.status = 'used'
        and report_files.report_kind = 'grade_report'
        and not exists (select 1 from report_problems)
),

-- Runs that are only numbered keep their numbers' order, as one block at their newest download.
-- A code that nobody can read stands where its download does.
dated as (
    select
        *,
        if(is_read, max(reported_at) over (partition by course, is_read, year), reported_at) as stands_at,
        coalesce(year, year(stands_at)) as order_year,
        coalesce(term_rank, quarter(stands_at)) as order_term,
        coalesce(suffix_rank, 0) as order_suffix,
    from runs
),

final as (
    select
        file_id,
        course,
        course_instance,
        year,
        term,
        reported_at,
        row_number() over (
            partition by course
            order by order_year, order_term, order_suffix, reported_at, course_instance
        ) as run_order,
    from dated
)

select * from final
