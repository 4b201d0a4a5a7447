-- One row per course run and download.
with

downloads as (
    select * from {{ ref('int_downloads') }}
),

downloaded_rows as (
    select * from {{ ref('int_downloaded_rows') }}
),

course_runs as (
    select * from {{ ref('int_course_runs_ordered') }}
),

enrollment_tracks as (
    select * from {{ ref('enrollment_tracks') }}
),

final as (
    select
        downloads.course,
        downloads.course_instance,
        downloads.reported_at,
        downloads.download_number::integer as download_number,
        count(downloaded.learner_id) filter (
            where coalesce(downloaded.enrollment_status, '') != 'unenrolled'
        ) as enrolled,
        count(*) filter (where downloaded.grade > 0) as attempted,
        count(*) filter (
            where downloaded.certificate_eligible = 'Y' or downloaded.grade >= course_runs.pass_grade
        ) as passed,
        count(*) filter (where enrollment_tracks.is_verified = 'true') as verified,
        count(*) filter (where downloaded.certificate_eligible = 'Y') as certificate_eligible
    from downloads
    inner join course_runs on downloads.course_instance = course_runs.course_instance
    -- a download may list nobody
    left join downloaded_rows as downloaded
        on
            downloads.course_instance = downloaded.course_instance
            and downloads.download_number = downloaded.download_number
    left join enrollment_tracks on downloaded.enrollment_track = enrollment_tracks.track
    group by downloads.course, downloads.course_instance, downloads.reported_at, downloads.download_number
)

select * from final
