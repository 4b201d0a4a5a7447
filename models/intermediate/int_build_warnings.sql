-- One row per thing that a person should look at, though it does not stop the build.
{{ config(post_hook="{{ warn_with_messages(this) }}") }}

with

report_files as (
    select * from {{ ref('report_files') }}
),

course_instancedetails as (
    select * from {{ ref('course_instancedetails') }}
),

course_runs as (
    select * from {{ ref('this_program_course_runs') }}
),

enrollment_tracks as (
    select * from {{ ref('enrollment_tracks') }}
),

rejected as (
    select
        file_name || ': ' || rejected_row_count || ' of ' || row_count
        || ' rows are not used; the table rejected_rows tells which and why.' as message,
    from report_files
    where rejected_row_count > 0
),

unowned as (
    select file_name || ': it is ignored; ' || reason || '.' as message,
    from report_files
    where
        report_kind = 'grade_report'
        and status = 'ignored'
        and course_instance is null
        and reason not like 'a report on %'
),

unknown_tracks as (
    select
        coalesce('The enrollment track ' || details.enrollment_track, 'An empty enrollment track')
        || ' is not in seeds/enrollment_tracks.csv: its ' || count(*)
        || ' rows are used, as not verified.' as message,
    from course_instancedetails as details
    left join enrollment_tracks on details.enrollment_track = enrollment_tracks.track
    where enrollment_tracks.track is null
    group by details.enrollment_track
),

missing_runs as (
    select
        'The current run of ' || course_runs.course || ', ' || course_runs.course_instance
        || ' by seeds/course_runs.csv, has no grade report in the folder.' as message,
    from course_runs
    left join report_files
        on
            lower(course_runs.course_instance) = lower(report_files.course_instance)
            and report_files.status = 'used'
            and report_files.report_kind = 'grade_report'
    where course_runs.run_role = 'current' and report_files.file_name is null
),

final as (
    select message from rejected
    union all
    select message from unowned
    union all
    select message from unknown_tracks
    union all
    select message from missing_runs
)

select * from final
