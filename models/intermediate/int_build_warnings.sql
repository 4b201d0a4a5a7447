-- One row per thing that a person should look at, though it does not stop the build.
{{ config(post_hook="{{ warn_with_messages(this) }}") }}

with

file_warnings as (
    select * from {{ ref('int_file_warnings') }}
),

not_learner_warnings as (
    select * from {{ ref('int_not_learner_warnings') }}
),

seed_warnings as (
    select * from {{ ref('int_seed_warnings') }}
),

report_files as (
    select * from {{ ref('report_files') }}
),

course_instancedetails as (
    select * from {{ ref('course_instancedetails') }}
),

learners as (
    select * from {{ ref('learners') }}
),

course_runs as (
    select * from {{ ref('this_program_course_runs') }}
),

courses as (
    select * from {{ ref('this_program_courses') }}
),

requirement_courses as (
    select * from {{ ref('int_requirement_courses') }}
),

enrollment_tracks as (
    select * from {{ ref('stg_seeds__enrollment_tracks') }}
),

unknown_tracks as (
    select
        'Rows whose enrollment track is empty, or not in seeds/enrollment_tracks.csv: ' || count(*)
        || '. They count as not verified. See enrollment_track in course_instancedetails.' as message
    from course_instancedetails as details
    left join enrollment_tracks on details.enrollment_track = enrollment_tracks.track
    where enrollment_tracks.track is null
    having count(*) > 0
),

missing_runs as (
    select
        'The current run of ' || course_runs.course || ', ' || course_runs.course_instance
        || ' by seeds/course_runs.csv, has no grade report in the folder.' as message
    from course_runs
    left join report_files
        on
            lower(course_runs.course_instance) = lower(report_files.course_instance)
            and report_files.status = 'used'
            and report_files.report_kind = 'grade_report'
    where course_runs.run_role = 'current' and report_files.file_name is null
),

courses_without_current_run as (
    select
        'The course ' || courses.course
        || ' has no current run in seeds/course_runs.csv: nobody is written to about it.' as message
    from courses
    left join course_runs on courses.course = course_runs.course and course_runs.run_role = 'current'
    where not courses.is_capstone and courses.is_offered and course_runs.course is null
),

-- of a program that seeds/requirements.csv knows, a wrong number stops the build
endless_series as (
    select
        'The program needs ' || any_value(courses_required) || ' certificates by seeds/programs.csv,'
        || ' and its series has ' || count(course) || ' courses: nobody can complete it. Correct'
        || ' certificates_required there, or say in seeds/requirements.csv what counts.' as message
    from requirement_courses
    group by track, requirement
    having count(course) < any_value(courses_required)
),

unfinished_runs as (
    select
        'The ' || run_role || ' run of ' || course
        || ' has no title or no link in seeds/course_runs.csv, which its mails need.' as message
    from course_runs
    where title is null or link is null
),

unknown_statuses as (
    select
        'Rows whose enrollment status is neither enrolled nor unenrolled: ' || count(*)
        || '. They count as unenrolled. See enrollment_status in course_instancedetails.' as message
    from course_instancedetails
    where enrollment_status not in ('enrolled', 'unenrolled')
    having count(*) > 0
),

-- a cell that went astray may hold an address, so no message has its words
unknown_words as (
    select
        'Rows whose verification status is not one that edX uses: ' || count(*)
        || '. See verification_status in course_instancedetails.' as message
    from course_instancedetails
    where verification_status not in ('N/A', 'ID Verified', 'Not ID Verified')
    having count(*) > 0
    union all
    select
        'Rows whose certificate type is not one that edX uses: ' || count(*)
        || '. See certificate_type in course_instancedetails.' as message
    from course_instancedetails
    where
        certificate_type not in (
            'N/A', 'honor', 'verified', 'audit', 'professional', 'no-id-professional', 'masters', 'credit',
            'executive-education', 'paid-executive-education', 'paid-bootcamp', 'unpaid-bootcamp',
            'unpaid-executive-education'
        )
    having count(*) > 0
    union all
    select
        'Learners whose country is no code of two letters: ' || count(*)
        || '. See country in learners.' as message
    from learners
    where {{ known_country('country') }} = 'unknown'
    having count(*) > 0
),

final as (
    select message from file_warnings
    union all
    select message from not_learner_warnings
    union all
    select message from seed_warnings
    union all
    select message from unknown_tracks
    union all
    select message from missing_runs
    union all
    select message from courses_without_current_run
    union all
    select message from endless_series
    union all
    select message from unfinished_runs
    union all
    select message from unknown_statuses
    union all
    select message from unknown_words
)

select * from final
