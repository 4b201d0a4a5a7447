-- One row per course run and download.
with

downloads as (
    select * from {{ ref('int_downloads') }}
),

downloaded_rows as (
    select * from {{ ref('int_downloaded_rows') }}
),

course_runs as (
    select * from {{ ref('int_course_runs') }}
),

enrollment_tracks as (
    select * from {{ ref('stg_seeds__enrollment_tracks') }}
),

rated_downloads as (
    select
        downloads.*,
        course_runs.pass_grade
    from downloads
    inner join course_runs on downloads.course_instance = course_runs.course_instance
),

counted as (
    select
        downloaded.file_id,
        count(*) filter (where not ({{ has_left('downloaded.enrollment_status') }})) as enrolled,
        count(*) filter (where downloaded.grade > 0) as with_a_grade,
        count(*) filter (
            where downloaded.certificate_eligible = 'Y' or downloaded.grade >= rated_downloads.pass_grade
        ) as passed,
        count(*) filter (where enrollment_tracks.is_verified) as verified,
        count(*) filter (where downloaded.certificate_eligible = 'Y') as certificate_eligible
    from downloaded_rows as downloaded
    inner join rated_downloads on downloaded.file_id = rated_downloads.file_id
    left join enrollment_tracks on downloaded.enrollment_track = enrollment_tracks.track
    group by downloaded.file_id
),

final as (
    select
        rated_downloads.course,
        rated_downloads.course_instance,
        rated_downloads.reported_at,
        rated_downloads.download_number::integer as download_number,
        coalesce(counted.enrolled, 0) as enrolled,
        coalesce(counted.with_a_grade, 0) as attempted,
        coalesce(counted.passed, 0) as passed,
        coalesce(counted.verified, 0) as verified,
        coalesce(counted.certificate_eligible, 0) as certificate_eligible
    from rated_downloads
    -- a download may list nobody
    left join counted on rated_downloads.file_id = counted.file_id
)

select * from final
