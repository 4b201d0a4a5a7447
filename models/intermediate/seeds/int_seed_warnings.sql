-- One row per row of a seed that is right and fits nothing in the folder, for the program's own courses.
with

courses as (
    select * from {{ ref('this_program_courses') }}
),

course_prefixes as (
    select * from {{ ref('int_course_prefixes') }}
),

course_aliases as (
    select * from {{ ref('course_aliases') }}
),

course_runs as (
    select * from {{ ref('course_runs') }}
),

run_pass_grades as (
    select * from {{ ref('course_run_pass_grades') }}
),

report_files as (
    select * from {{ ref('int_report_files_judged') }}
),

-- each run once, however many downloads it has
runs as (
    select distinct run_key
    from report_files
    where course is not null
),

past_runs as (
    select
        course_runs.course_instance,
        'course_runs.csv, past run ' || course_runs.course_instance
        || ' of ' || course_runs.course as seed_row
    from course_runs
    inner join courses on course_runs.course = courses.course
    where course_runs.run_role = 'past'
),

graded_runs as (
    select distinct
        run_pass_grades.course_instance,
        'course_run_pass_grades.csv, run ' || run_pass_grades.course_instance as seed_row
    from run_pass_grades
    inner join course_prefixes
        on
            left(lower(run_pass_grades.course_instance), length(course_prefixes.file_prefix) + 1)
            = lower(course_prefixes.file_prefix) || '_'
    inner join courses on course_prefixes.course = courses.course
),

named_runs as (
    select * from past_runs
    union all
    select * from graded_runs
),

unused_runs as (
    select named_runs.seed_row
    from named_runs
    anti join runs on lower(named_runs.course_instance) = runs.run_key
),

used_aliases as (
    select course_aliases.file_prefix
    from course_aliases
    inner join runs
        on
            left(runs.run_key, length(course_aliases.file_prefix) + 1)
            = lower(course_aliases.file_prefix) || '_'
),

unused_aliases as (
    select
        'course_aliases.csv, file_prefix ' || course_aliases.file_prefix
        || ' of ' || course_aliases.course as seed_row
    from course_aliases
    inner join courses on course_aliases.course = courses.course
    anti join used_aliases on course_aliases.file_prefix = used_aliases.file_prefix
),

final as (
    select
        'seeds/' || seed_row || ': no download in the folder is of such a run.'
        || ' Correct it where it is misspelt.' as message
    from unused_runs
    union all
    select
        'seeds/' || seed_row || ': no download in the folder begins so.'
        || ' Correct it where it is misspelt.' as message
    from unused_aliases
)

select * from final
