-- One row per thing that a seed must have once and has more often.
with

programs as (
    select * from {{ ref('programs') }}
),

courses as (
    select * from {{ ref('courses') }}
),

course_prefixes as (
    select * from {{ ref('int_course_prefixes') }}
),

course_runs as (
    select * from {{ ref('course_runs') }}
),

enrollment_tracks as (
    select * from {{ ref('enrollment_tracks') }}
),

run_pass_grades as (
    select * from {{ ref('course_run_pass_grades') }}
),

requirements as (
    select * from {{ ref('requirements') }}
),

requirement_courses as (
    select * from {{ ref('requirement_courses') }}
),

said_times as (
    select distinct
        lower(course_instance) as run_key,
        year,
        term
    from course_runs
    where year is not null
),

-- each day of a run once, in however many rows it is said
said_days as (
    {%- for day in ['starts_on', 'ends_on', 'enrollment_ends_on', 'upgrade_ends_on'] %}
        select distinct
            lower(course_instance) as run_key,
            '{{ day }}' as kind,
            {{ day }} as said_day
        from course_runs
        where {{ day }} is not null
        {% if not loop.last %}union all{% endif %}
    {%- endfor %}
),

keys as (
    select 'programs.csv, program ' || program as seed_row from programs
    union all
    select 'courses.csv, course ' || course || ' of ' || program as seed_row from courses
    union all
    select 'courses.csv, position ' || {{ whole_number('position') }} || ' of program ' || program as seed_row
    from courses
    union all
    select
        'courses.csv and course_aliases.csv, file_prefix ' || lower(file_prefix)
        || ' of ' || program as seed_row
    from course_prefixes
    union all
    select 'course_runs.csv, current run of course ' || course from course_runs
    where run_role = 'current'
    union all
    select 'course_runs.csv, coming run ' || lower(course_instance) || ' of course ' || course as seed_row
    from course_runs
    where run_role = 'coming'
    union all
    select 'course_runs.csv, past run ' || lower(course_instance) || ' of course ' || course as seed_row
    from course_runs
    where run_role = 'past'
    union all
    select 'course_runs.csv, a year and term of run ' || run_key from said_times
    union all
    select 'course_runs.csv, the ' || kind || ' of run ' || run_key as seed_row from said_days
    union all
    select 'course_run_pass_grades.csv, run ' || lower(course_instance) as seed_row from run_pass_grades
    union all
    select
        'requirements.csv, requirement ' || requirement || ' of track ' || track
        || ' of program ' || program as seed_row
    from requirements
    union all
    select
        'requirement_courses.csv, course ' || course || ' of track ' || track
        || ' of program ' || program as seed_row
    from requirement_courses
    union all
    select 'enrollment_tracks.csv, track ' || track from enrollment_tracks
),

final as (
    select
        seed_row,
        'it is there ' || count(*) || ' times' as problem
    from keys
    where seed_row is not null
    group by seed_row
    having count(*) > 1
)

select * from final
