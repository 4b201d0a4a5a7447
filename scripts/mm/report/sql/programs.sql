-- One row per program: its numbers, and how old its data is.
with

of_files as (
    select
        program,
        max(reported_at) filter (where status = 'used') as newest,
        count(*) filter (where status = 'ignored') as ignored_files,
        sum(rejected_row_count)::bigint as rejected_rows
    from report_files
    group by program
),

of_courses as (
    select
        program,
        count(*) as courses
    from courses
    group by program
),

of_runs as (
    select
        program,
        count(*) as runs
    from course_run_summary
    group by program
),

of_current_runs as (
    select
        runs.program,
        min(runs.reported_at) as oldest_current
    from course_runs
    inner join course_run_summary as runs
        on
            course_runs.program = runs.program
            and lower(course_runs.course_instance) = lower(runs.course_instance)
    where course_runs.run_role = 'current'
    group by runs.program
),

learners as (
    select
        program,
        student_id,
        bool_or(best_grade > 0) as has_attempted,
        bool_or(ever_passed) as has_passed,
        bool_or(is_verified_passed) as has_verified_passed
    from learner_courses
    group by program, student_id
),

of_learners as (
    select
        program,
        count(*) filter (where has_attempted) as attempted,
        count(*) filter (where has_passed) as passed,
        count(*) filter (where has_verified_passed) as verified_passed
    from learners
    group by program
)

select
    programs.program,
    coalesce(programs.title, programs.program) as name,
    programs.as_of,
    numbers.learners,
    numbers.with_a_certificate,
    numbers.all_but_one_certified,
    numbers.whole_series_certified,
    numbers.countries,
    coalesce(of_learners.attempted, 0) as attempted,
    coalesce(of_learners.passed, 0) as passed,
    coalesce(of_learners.verified_passed, 0) as verified_passed,
    coalesce(of_courses.courses, 0) as courses,
    coalesce(of_runs.runs, 0) as runs,
    coalesce(of_files.ignored_files, 0) as ignored_files,
    coalesce(of_files.rejected_rows, 0) as rejected_rows,
    of_files.newest,
    of_current_runs.oldest_current
from programs
inner join program_summary as numbers on programs.program = numbers.program
left join of_learners on programs.program = of_learners.program
left join of_courses on programs.program = of_courses.program
left join of_runs on programs.program = of_runs.program
left join of_current_runs on programs.program = of_current_runs.program
left join of_files on programs.program = of_files.program
order by name, programs.program
